"""Recurrent layers: a sequence enters, a sequence or a vector leaves."""
