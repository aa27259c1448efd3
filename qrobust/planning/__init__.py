"""What a certificate would take: a machine's speed, measured; shares and seconds, forecast."""
