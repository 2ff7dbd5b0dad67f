"""Java for the engines: the class path, resolved once by Maven, and the command."""

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from common.errors import InputError

_PROJECT = Path(__file__).resolve().parents[1]
_KEPT = _PROJECT / ".venv" / "engines"
_DIGEST_CHARS = 12

# Packages that Flink, Spark and their serialisers access, which Java 17 closes by default.
_OPENED = (
    *("java.lang", "java.lang.invoke", "java.lang.reflect", "java.io", "java.net", "java.nio"),
    *("java.util", "java.util.concurrent", "java.util.concurrent.atomic"),
    *("sun.nio.ch", "sun.nio.cs", "sun.security.action", "sun.util.calendar"),
)


def missing_programs() -> list[str]:
    """Returns the required programs that are not on the path."""
    return [program for program in ("java", "mvn") if shutil.which(program) is None]


def check_programs() -> None:
    """Checks that Java and Maven are installed.

    Raises:
        InputError: One of them is missing.
    """
    missing = missing_programs()
    if missing:
        raise InputError(
            f"Not found on the path: {', '.join(missing)}. The engines need Java 17 or later and "
            "Maven; on Debian and Ubuntu: apt-get install openjdk-17-jre-headless maven."
        )


def class_path(pom: Path, *, kept: Path = _KEPT) -> str:
    """Returns the class path of a pom; Maven resolves it once, then it is read from a file.

    Args:
        pom: The `pom.xml`.
        kept: Folder for the jars and for the resolved class paths.

    Raises:
        InputError: Java or Maven is missing, or Maven cannot resolve the jars.
    """
    check_programs()
    digest = hashlib.sha256(pom.read_bytes()).hexdigest()[:_DIGEST_CHARS]
    resolved = kept / f"{pom.parent.name}-{digest}.classpath"
    if not _is_whole(resolved):
        kept.mkdir(parents=True, exist_ok=True)
        _resolve(pom, resolved, kept / "maven")
    return resolved.read_text(encoding="utf-8")


def _is_whole(resolved: Path) -> bool:
    return resolved.is_file() and all(
        Path(jar).is_file() for jar in resolved.read_text(encoding="utf-8").split(":")
    )


def _resolve(pom: Path, resolved: Path, repository: Path) -> None:
    done = subprocess.run(
        [
            *("mvn", "--batch-mode", "--quiet", f"--file={pom}"),
            # In the environment, not in the home folder.
            f"-Dmaven.repo.local={repository}",
            "dependency:build-classpath",
            f"-Dmdep.outputFile={resolved}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = [line for line in done.stdout.splitlines() if "ERROR" in line]
        raise InputError(
            f"Maven cannot resolve {pom}: {said[0] if said else done.stderr.strip()} "
            "Check its settings.xml and the network, then try again."
        )


def java_command(
    main_class: str, arguments: Sequence[str], *, jars: str, temporary: Path, heap_mb: int
) -> list[str]:
    """Returns the command that runs a class.

    Args:
        main_class: Its full name.
        arguments: Its arguments.
        jars: The class path.
        temporary: Folder for Java's temporary files.
        heap_mb: Maximum heap, in MiB.
    """
    return [
        *("java", f"-Xmx{heap_mb}m", f"-Djava.io.tmpdir={temporary}"),
        *("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED),
        *("-cp", jars, main_class, *arguments),
    ]
