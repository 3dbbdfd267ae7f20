"""The examples and programs of docs/, run as a reader would, against a real gateway of the example house."""
