import sys

import pycape
from pycape.demo import main

try:
    main()
except pycape.CapeError as error:
    sys.exit(str(error))
