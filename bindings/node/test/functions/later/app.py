from datetime import datetime, timedelta

import serdio
import serdio.ext


@serdio.lift_io(as_handler=True, hook_bundle=serdio.ext.Extensions())
def cape_handler(moment: datetime, microseconds: int) -> datetime:
    return moment + timedelta(microseconds=microseconds)
