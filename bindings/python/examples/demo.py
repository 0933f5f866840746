"""Calls the function pythagorean in an enclave that is pinned by its PCR0.

    python demo.py URL ROOT_PEM_FILE PCR0_HEX
"""

import sys

import pycape


def main(url: str, root: str, pcr0: str) -> None:
    policy = {"pcrs": {"0": [pcr0]}}
    with pycape.Cape(url, attestation_root=root, policy=policy) as cape:
        cape.connect("local/pythagorean")
        results = [
            f"pythagorean({a}, {b}) = {cape.invoke(a, b, use_serdio=True):g}"
            for a, b in ((3, 4), (5, 12))
        ]
        assert cape.report is not None
        who, measured = cape.report["module_id"], cape.report["pcrs"]["0"]
    print(f"python  attested {who}  PCR0 {measured[:8]}...", *results, sep="  ")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:4])
    except pycape.CapeError as error:
        sys.exit(f"{error.reason}: {error}")
