"""Turns canonical commands into Deltek Vantagepoint documents through the shared posting engine. Knows no store."""
