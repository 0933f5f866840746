"""As for pycape 3: functions and tokens as objects, contexts, keys and encryption."""

import json
import pathlib
import sys

import pycape
from pycape import Cape
from pycape import FunctionRef
from pycape import Token
from pycape import cape_encrypt
from pycape.experimental import cli

url, token_file, pcrs, folder, scratch = sys.argv[1:]
pcrs = json.loads(pcrs)
scratch = pathlib.Path(scratch)

cape = Cape(url=url, verbose=False)
t = cape.token(token_file)
print(type(t).__name__, t.raw == t.token == pathlib.Path(token_file).read_text().strip())
t.to_disk(scratch / "copy")
assert Token.from_disk(scratch / "copy").raw == t.raw

deployed = cli.deploy(folder, url=url)
print(deployed.full_name, deployed.user, deployed.name, len(deployed.id), len(deployed.checksum))
deployed.to_json(scratch / "function.json")

f = cape.function(scratch / "function.json")
assert f.checksum == FunctionRef.from_json(scratch / "function.json").checksum
for reference in (f, cape.function(f), cape.function("ada/echo"), cape.function(f.id, checksum=f.checksum)):
    print(cape.run(reference, t, b"run"))

with cape.function_context(f, t, pcrs=pcrs):
    print(cape.invoke("first", use_serdio=True), cape.invoke([2, (3.5,)], use_serdio=True))

cape.connect(f, t, pcrs=pcrs)
print(cape.invoke(b"connected"))
cape.close()
cape.close()

sealed = cape.encrypt(b"for ada alone", username="ada")
print(sealed[:5], cape.run(f, t, sealed))
key = cape.key(username="ada")
assert cape.key(username="ada", pcrs=pcrs) == key
(scratch / "key").write_bytes(key)
print(cape.run(f, t, cape.encrypt(b"by key", key=key)), cape.run(f, t, cape.encrypt(b"by path", key_path=scratch / "key")))
print(cape.run(f, t, b"cape:" + cape_encrypt.encrypt(b"untagged", key)))

made = cli.token("for a friend", "with an end", expiry="3600")
print(cape.run(f, made, b"a friend's", pcrs=pcrs))

for wrong, error in (
    (lambda: cape.run(f, t, b"x", pcrs={"0": ["0" * 95 + "1"]}), Exception),
    (lambda: cape.key(username="ada", key_path=scratch / "key"), ValueError),
    (lambda: cape.function("nonsense"), ValueError),
    (lambda: cape.token(scratch / "missing"), ValueError),
    (lambda: cape.token(5), TypeError),
    (lambda: cape.run(f, t, "text"), TypeError),
    (lambda: cape_encrypt.encrypt(b"x", b"no key"), ValueError),
):
    try:
        wrong()
    except error as caught:
        assert isinstance(caught, pycape.CapeError)
    else:
        raise AssertionError("nothing was raised")
print("done")
