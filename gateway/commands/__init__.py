"""The verbs of the command line, one file a noun; what is heavy is imported inside a verb, so that help is quick."""
