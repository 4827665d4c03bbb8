"""The durable local log of one gateway process, and the shipper that carries it to the ledger."""
