"""A request that is well-formed and still cannot be answered."""


class RequestError(ValueError):
    """What is wrong and where: `pointer` is a JSON pointer into the request's body."""

    def __init__(self, detail: str, pointer: str = "") -> None:
        super().__init__(detail)
        self.detail, self.pointer = detail, pointer
