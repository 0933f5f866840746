def cape_handler(name: bytes) -> bytes:
    return b"hello " + name + b", from inside"
