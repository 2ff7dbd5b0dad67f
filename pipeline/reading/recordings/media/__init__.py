"""Files of pictures and sounds: decoding, orientation, and the chunks of WAV."""
