"""As for the first pycape: a function token, plain bytes, and types of one's own."""

import dataclasses
import sys

import serdio
from pycape import Cape
from pycape import FunctionRef
from pycape.cape import FunctionAuthType

url, function_id, function_token = sys.argv[1:]


@dataclasses.dataclass
class Reading:
    station: str
    celsius: float


def encoder(value):
    if isinstance(value, Reading):
        return {"__reading__": [value.station, value.celsius]}
    return value


def decoder(value):
    if "__reading__" in value:
        return Reading(*value["__reading__"])
    return value


assert FunctionAuthType.FUNCTION_TOKEN.value == 2
client = Cape(url, access_token="not-used-here")
function_ref = FunctionRef(function_id, None)

print(client.run(function_ref, b"plain bytes", function_token=function_token))

client.connect(function_ref, function_token)
print(client.invoke(data=b"by name"))
hooks = serdio.SerdeHookBundle(encoder, decoder)
print(client.invoke(Reading("north", -3.5), serde_hooks=hooks))
print(client.invoke(Reading("south", 4.25), serde_hooks=(encoder, decoder)))
client.close()

try:
    client.invoke(b"too late")
except (RuntimeError, AttributeError):
    print("closed")
