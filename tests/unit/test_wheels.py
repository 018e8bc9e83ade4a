"""Which wheels a machine without network lacks."""

import zipfile

import wheels


def test_what_a_machine_has_is_read_from_what_pip_prints_there():
    listed = "Package    Version\n---------- -------\ntorch      2.11.0+cu130\nscikit-image 0.26.0\n"
    assert {"torch", "scikit-image"} <= wheels.names_in(listed)
    assert {"torch", "pyyaml"} == wheels.names_in("torch==2.11.0\nPyYAML==6.0.3\n")


def test_the_needs_of_a_wheel_are_those_of_the_machine(tmp_path):
    path = tmp_path / "some-1.0-py3-none-any.whl"
    text = (
        "Metadata-Version: 2.4\nName: some\nVersion: 1.0\n"
        "Requires-Dist: numpy>=2\nRequires-Dist: tomli; python_version < '3.11'\nRequires-Dist: sphinx; extra == 'docs'\n"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("some-1.0.dist-info/METADATA", text)
    needs = wheels.needs_of(path, {"python_version": "3.12"})
    assert [one.name for one in needs] == ["numpy"]
    assert list(wheels.lacking(needs, {"numpy"})) == []
