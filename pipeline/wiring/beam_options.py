"""What Beam is told."""

# Beam's own runner in this process, by its full name: `DirectRunner` tries Prism first, which
# downloads a program and leaves folders in the home and in /tmp. Naming an image, any image, keeps
# TFX from packing itself into an archive for remote workers at every step (2 s each).
LOCAL_BEAM_ARGS = (
    "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner",
    "--direct_running_mode=in_memory",
    "--sdk_container_image=none",
)
