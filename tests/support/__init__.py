"""What the end-to-end and fault tests share: real programs on loopback, an independent signer and an HTTP client."""
