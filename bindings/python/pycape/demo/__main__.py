import argparse
import sys

import pycape
from pycape.demo import main

argparse.ArgumentParser(
    prog="python -m pycape.demo",
    description="Starts a local enclave, has it prove itself, calls a function in it, "
    "and has an enclave refused that is not the one asked for.",
).parse_args()
try:
    main()
except pycape.CapeError as error:
    sys.exit(str(error))
