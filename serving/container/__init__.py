"""The embedded server as the only process of a container: `python -m serving.container`.

The platform sets `PORT`, on which REST and gRPC answer. The models are in `MODEL_BASE_PATH`
(`/models`), baked into the image or mounted, and found in this order:

1. `--model_config_file` or `--model_base_path` on the command line;
2. `models.config` in that folder;
3. the model that `MODEL_NAME` names;
4. the only model in that folder.

Further arguments are flags of `python -m serving.server` and win over these.
"""
