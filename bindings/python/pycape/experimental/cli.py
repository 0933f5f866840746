"""What the command line does, for programs: deploying a function and making a token.

No command is run. :class:`pycape.Cape` has methods of the same use, and more of them.
"""

from __future__ import annotations

import os
from typing import Any, Union

from pycape.cape import Cape
from pycape.function_ref import FunctionRef
from pycape.service import Expiry
from pycape.token import Token

__all__ = ["deploy", "token"]


def deploy(
    deploy_path: Union[str, "os.PathLike[str]"],
    url: str | None = None,
    public: bool = False,
    **settings: Any,
) -> FunctionRef:
    """Deploys the function in a folder with an ``app.py``, or in a zip of one.

    :param url: the service. None: that of the environment variable CAPE_ENCLAVE_HOST.
    :param public: anyone may call it.
    :param settings: more arguments of :class:`pycape.Cape`, such as ``policy``. The token is that
        of the last login, unless ``access_token`` is given.
    :returns: the function with its checksum.
    :raises RuntimeError: as :meth:`pycape.Cape.deploy`.
    :raises ValueError: deploy_path holds no function, or there is no login.
    """
    return Cape(url, **settings).deploy(deploy_path, public=public)


def token(
    name: str | None = None,
    description: str | None = None,
    expiry: Expiry = None,
    *,
    function_id: str | None = None,
    url: str | None = None,
    **settings: Any,
) -> Token:
    """Makes a token of the caller's.

    :param expiry: seconds, as a number or text; a duration such as "720h"; or a time.
    :param function_id: the id of the only function that it may call.
    :param url: the service. None: that of the environment variable CAPE_ENCLAVE_HOST.
    :param settings: more arguments of :class:`pycape.Cape`.
    :raises RuntimeError: as :meth:`pycape.Cape.create_token`.
    :raises ValueError: the expiry is none, or there is no login.
    """
    client = Cape(url, **settings)
    return client.create_token(name, description, function=function_id, expiry=expiry)
