"""The data scientist's side: from labelled cases to a bundle. Needs the `train` extra."""
