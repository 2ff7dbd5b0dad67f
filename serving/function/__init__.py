"""The REST API as a function: one event in, one answer out, the model loaded once.

For platforms that call a function instead of connecting to a port:

* `serving.function.on_event`: handlers of AWS Lambda, `(event, context)`;
* `serving.function.on_request`: HTTP functions that get a request of Flask, such as those of
  functions-framework, which takes the file `serving/function/handlers.py`;
* `serving.function.application`: any WSGI server.

The model is found as in `serving.container`: in `MODEL_BASE_PATH`, by `MODEL_NAME` if there are
several. It is loaded at the first event. `load()` loads it before, in the time that a platform
gives to the start of an instance.

`POST /` is the predict call of the model, and so is an event that is no HTTP request: its answer
is the document itself, and a failure is an `EventError`. All other paths are those of REST.
"""

from serving.function.events import EventError
from serving.function.handlers import Function, application, load, on_event, on_request

__all__ = ["EventError", "Function", "application", "load", "on_event", "on_request"]
