"""Headwater: custom app events in, SQL tables out."""
