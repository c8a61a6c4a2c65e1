"""The commands of `winnow`, by what they are about; `pipelines.cli` is where it begins. Modules that take time are
imported inside the commands, so that `winnow --help` answers at once.
"""
