"""Networks: time to a loss, throughput, equality with the published, exact resume, plans, laws."""
