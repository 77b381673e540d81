"""The compilers and modes that the ABI's headers are tried with."""
import shutil

C_STANDARDS = ("c11", "c17")
CXX_STANDARDS = ("c++11", "c++14", "c++17", "c++20")


def compilers():
    """(C compiler, C++ compiler) pairs that are installed."""
    pairs = [("gcc", "g++"), ("clang", "clang++")]
    return [pair for pair in pairs if shutil.which(pair[0]) and shutil.which(pair[1])]


def modes():
    """(name, command) of every compiler, language standard and enum width."""
    for cc, cxx in compilers():
        for enums in ((), ("-fshort-enums",)):
            for command, standards in ((cc, C_STANDARDS), (cxx, CXX_STANDARDS)):
                for standard in standards:
                    language = "c" if command == cc else "c++"
                    yield (" ".join((command, standard) + enums),
                           [command, "-x", language, f"-std={standard}", *enums,
                            "-Wall", "-Wextra", "-pedantic", "-Werror"])
