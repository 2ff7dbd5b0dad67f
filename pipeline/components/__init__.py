"""Faultline's TFX components: a folder each, a thin shell over pure functions.

Choose the first form that suffices:

1. A function component (`@component`): inputs, outputs and parameters are the arguments of one
   Python function that runs in this process. AnomalyGate, CuratedSchema, DataReport,
   ErrorAnalyzer, InfraValidator, ModelGate, ModelReport and SpanWindow.
2. A stock component with another executor (`EXECUTOR_SPEC`): TFX's interface is right, its
   implementation is not. Pusher, Trainer, Transform and Tuner.
3. A stock component with another interface as well (`SPEC_CLASS`): it needs a parameter or an
   input that TFX's lacks. The constructor builds the spec itself, because TFX's would build its
   own. ArrowExampleGen, Evaluator, ExampleValidator and StatisticsGen.
4. A component of its own (`ComponentSpec` and `BaseBeamComponent`): no stock component fits, and
   the work needs Beam. CaseControl.

Resolvers of earlier artifacts are `ResolverStrategy` classes (`baseline`, `span_window.resolvers`,
`example_validator.earlier_span`): they run in the driver, before the cache is asked.

In every folder, `component.py` declares the interface, `executor.py` (if any) does the work, and
`facts.py` describes the result for the terminal, without TensorFlow. `pipeline.wiring.step_code`
lists the code that each step's cache key depends on.
"""
