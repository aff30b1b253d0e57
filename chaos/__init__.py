"""Random but reproducible faults over the whole system, and a model beside it that knows what the ERP must hold."""
