"""As for the first pycape: an access token out of the login, and a function with serdio."""

import sys

from pycape import Cape
from pycape import FunctionRef

url, function_id, function_hash = sys.argv[1:]

client = Cape(url=url, verbose=True)
function_ref = FunctionRef(function_id)
assert function_ref.get_hash() is None
function_ref.set_hash(function_hash)

client.connect(function_ref)
for a, b in ((3, 4), (5, 12)):
    print(client.invoke(a, b, use_serdio=True))
client.close()

print(client.run(function_ref, 8, 15, use_serdio=True))

try:
    client.connect(FunctionRef(function_ref.get_id(), "0" * 64))
except RuntimeError as error:
    print("refused:", type(error).__mro__[-3].__name__)
try:
    client.run(function_ref, 1, 2)
except ValueError:
    print("one input of bytes")
