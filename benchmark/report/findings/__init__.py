"""What decides how early a model can exit: published claims against the rows that can be compared."""
