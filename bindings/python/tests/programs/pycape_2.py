"""As for pycape 2: the function reference carries the token, and no call has one."""

import sys

from pycape import Cape
from pycape import FunctionRef

url, function_id, token, checksum = sys.argv[1:]

cape = Cape(url=url)

cape.connect(FunctionRef(function_id, token, checksum))
print(cape.invoke(3, 4, use_serdio=True))
cape.close()

print(cape.run(FunctionRef(function_id, token=token), 5, 12, use_serdio=True))
print(cape.run(FunctionRef(id=function_id, token=token, checksum=checksum), 8, 15, use_serdio=True))
