"""All that has to be read to believe a certificate. Nothing here takes part in making one."""
