"""The library: documents, text, tokens. Imports neither ray nor the other packages."""

import hashlib
import os
import pathlib
import shutil
import time

KEEP_SECONDS = 7 * 24 * 3600


def _kernel_cache() -> None:
    """Give numba a cache of compiled kernels that belongs to exactly this source.

    Numba's own cache looks at the file of the compiled function only; a kernel that inlines another
    from a changed file would be taken from the cache as it was, in silence. A folder named by a hash of
    all our source cannot go stale. NUMBA_CACHE_DIR, where the user sets it, wins.
    """
    given = os.environ.get("NUMBA_CACHE_DIR", "")
    if given and "winnow-kernels-" not in given:
        return
    package = pathlib.Path(__file__).resolve().parent
    digest = hashlib.sha256()
    for folder in (package, package.parent / "tokenizer_training"):
        for file in sorted(folder.rglob("*.py")):
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    home = package / "__pycache__"
    if not os.access(home if home.exists() else package, os.W_OK):
        home = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
    cache = home / f"winnow-kernels-{digest.hexdigest()[:16]}"
    if not cache.exists():
        old = time.time() - KEEP_SECONDS  # a younger one may belong to a run that still goes on
        for stale in home.glob("winnow-kernels-*"):
            if stale.stat().st_mtime < old:
                shutil.rmtree(stale, ignore_errors=True)
    os.environ["NUMBA_CACHE_DIR"] = str(cache)


_kernel_cache()
