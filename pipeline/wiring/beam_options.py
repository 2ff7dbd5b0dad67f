"""Default Beam options for local runs."""

# Beam's in-process runner, by its full name: `DirectRunner` tries Prism first, which downloads a
# binary and leaves folders in the home folder and in /tmp. Setting any container image stops TFX
# from packaging itself for remote workers in every step (2 s each).
LOCAL_BEAM_ARGS = (
    "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner",
    "--direct_running_mode=in_memory",
    "--sdk_container_image=none",
)
