"""Plays tic-tac-toe. A game lasts as long as its connection: each call is one move.

In goes the number of a cell, 1 to 9 from left to right and top to bottom: b"5". You are x and
begin; "new" begins again. Out comes JSON: the board after the answer to your move, with o for the
other side and . for a free cell, and "open", "won", "lost" or "drawn":
    {"board": "o...x....", "game": "open"}
Whatever you do, you will not win.
"""

import functools
import json

LINES = ("012", "345", "678", "036", "147", "258", "048", "246")
EMPTY = "." * 9

board = EMPTY


def outcome(cells: str) -> str:
    for line in LINES:
        a, b, c = (cells[int(cell)] for cell in line)
        if a == b == c != ".":
            return "won" if a == "x" else "lost"
    return "open" if "." in cells else "drawn"


def after(cells: str, cell: int, player: str) -> str:
    return cells[:cell] + player + cells[cell + 1:]


def free(cells: str) -> "list[int]":
    return [cell for cell, mark in enumerate(cells) if mark == "."]


@functools.lru_cache(maxsize=None)
def worth(cells: str, player: str) -> int:
    """What a board is worth to o with best play: 1, 0 or -1. It is player's turn."""
    known = {"lost": 1, "drawn": 0, "won": -1}.get(outcome(cells))
    if known is not None:
        return known
    values = [worth(after(cells, cell, player), "x" if player == "o" else "o") for cell in free(cells)]
    return max(values) if player == "o" else min(values)


def cape_handler(data: bytes) -> str:
    global board
    move = bytes(data[:10]).strip()
    if move == b"new" and len(data) <= 10:
        board = EMPTY
        return json.dumps({"board": board, "game": "open"})
    if len(data) > 10 or len(move) != 1 or move not in b"123456789":
        raise ValueError('give a cell from 1 to 9, or "new"')
    cell = int(move) - 1
    if outcome(board) != "open":
        raise ValueError('the game is over: give "new"')
    if board[cell] != ".":
        raise ValueError(f"cell {cell + 1} is taken: give another")
    board = after(board, cell, "x")
    if outcome(board) == "open":
        answer = max(free(board), key=lambda cell: worth(after(board, cell, "o"), "x"))
        board = after(board, answer, "o")
    return json.dumps({"board": board, "game": outcome(board)})
