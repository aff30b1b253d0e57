"""What every part of ml-connector shares. Imports no service, no vendor client."""
