"""As for pycape 1.1: the function reference carries checksum and token, and knows what it is."""

import sys

from pycape import Cape
from pycape import FunctionRef
from pycape.cape import FunctionAuthType

url, function_id, checksum, function_token, access_token = sys.argv[1:]

cape = Cape(url, access_token, False)

for function_ref in (
    FunctionRef(function_id, checksum, function_token),
    FunctionRef(id=function_id, checksum=checksum, token=function_token),
):
    cape.connect(function_ref)
    print(cape.invoke(3, 4, use_serdio=True))
    cape.close()

function_ref = FunctionRef(function_id, token=access_token)
function_ref.set_auth_type(FunctionAuthType.AUTH0)
print(cape.run(function_ref, 5, 12, use_serdio=True))
print(cape.run(FunctionRef(function_id, checksum), 8, 15, use_serdio=True))
