# Sourced by the scripts beside it. ensure_venv [EXTRA] makes $root/.venv and installs the project
# with that extra into it, again whenever pyproject.toml has changed.

find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.10 python; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2])' >/dev/null 2>&1; then
      echo "$candidate"
      return
    fi
  done
  echo "winnow needs Python 3.10 or newer; none found. Install one, or set PYTHON to it." >&2
  return 1
}

ensure_venv() {
  local extra="${1:-}" python stamp wanted
  stamp="$root/.venv/.winnow-installed${extra:+-$extra}"
  wanted="$(cksum < "$root/pyproject.toml")"
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && return
  if [ ! -x "$root/.venv/bin/python" ]; then
    python="$(find_python)"
    echo "winnow: making $root/.venv with $("$python" --version)" >&2
    "$python" -m venv "$root/.venv"
  fi
  echo "winnow: installing the project and what it needs${extra:+ ($extra)} into .venv (once; a minute or two)" >&2
  "$root/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$root${extra:+[$extra]}" >&2
  echo "$wanted" > "$stamp"
}
