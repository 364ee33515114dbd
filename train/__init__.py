"""How the small models that Footnote ships were trained, from public data beside the project. Not used at run time."""
