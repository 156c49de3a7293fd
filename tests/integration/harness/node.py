"""Programs of node/, with the drivers of its package-lock.json."""
import json
import pathlib
import subprocess

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "node"


def command(program, *arguments):
    """The command line that runs `program` of node/; fetches the drivers when one is missing."""
    wanted = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    if not all((FOLDER / "node_modules" / name).exists() for name in wanted):
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=FOLDER, check=True, timeout=300)
    return ["node", str(FOLDER / program), *arguments]
