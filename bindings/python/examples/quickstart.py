import pycape

with pycape.LocalEnclave("tests/functions/pythagorean") as enclave:
    with pycape.Cape(enclave=enclave) as cape:
        cape.connect("local/pythagorean")
        print(cape.invoke(3, 4, use_serdio=True))
