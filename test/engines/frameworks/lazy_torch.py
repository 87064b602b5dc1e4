"""Beside PyTorch in the tests' Python: its CUDA libraries are empty there, which must not matter before one of them is called."""

import sys


class LazyTorch:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "torch":
            # RTLD_LAZY: symbols are looked for at their first call.
            sys.setdlopenflags(1)
        return None


sys.meta_path.insert(0, LazyTorch)
