"""Reading files: which are read, what YAML gets wrong, what is left alone."""

from pathlib import Path

import pytest

from bailiwick_operator.api.documents import Document, parse
from bailiwick_operator.api.findings import Violation, dotted, steps_of
from bailiwick_operator.api.validation import load

QUOTA = """\
apiVersion: bailiwick.dev/v1alpha1
kind: Quota
metadata: {{name: {name}, namespace: acme-prod}}
spec:
  subject: {{}}
  limits: {{tokensPerMinute: 10}}
"""


def documents(text: str) -> list[Document | Violation]:
    return list(parse(text, file="f.yaml"))


def only_violation(text: str) -> Violation:
    (found,) = [one for one in documents(text) if isinstance(one, Violation)]
    return found


def test_a_directory_is_read_recursively_and_in_order(tmp_path: Path) -> None:
    """Both endings, folders below, sorted; hidden files and other endings are not read."""
    (tmp_path / "b").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "b" / "one.yml").write_text(QUOTA.format(name="one"))
    (tmp_path / "a.yaml").write_text(QUOTA.format(name="two"))
    (tmp_path / ".hidden.yaml").write_text("nonsense: [")
    (tmp_path / ".git" / "x.yaml").write_text("nonsense: [")
    (tmp_path / "README.md").write_text("# no resource")

    loaded = load([tmp_path, tmp_path / "a.yaml"])

    assert loaded.violations == ()
    assert [one.metadata.name for one in loaded.resources.quotas] == ["two", "one"]


def test_several_documents_and_empty_ones(tmp_path: Path) -> None:
    """Documents are separated by `---`; empty ones count for nothing; lines are the file's."""
    file = tmp_path / "f.yaml"
    file.write_text("---\n# nothing\n---\n" + QUOTA.format(name="one") + "---\n---\n")

    loaded = load([file])

    assert loaded.violations == ()
    assert [source.line for source in loaded.resources.sources.values()] == [4]


def test_a_list_is_taken_apart(tmp_path: Path) -> None:
    """A `List`, as `kubectl get -o yaml` writes it, holds resources; so does a `QuotaList`."""
    members = "".join(
        "- " + QUOTA.format(name=name).replace("\n", "\n  ").rstrip() + "\n"
        for name in ("one", "two")
    )
    (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: List\nitems:\n" + members)
    (tmp_path / "b.yaml").write_text(
        "apiVersion: bailiwick.dev/v1alpha1\nkind: QuotaList\nitems:\n"
        + members.replace("one", "three").replace("two", "four").replace("10}", "-1}")
    )

    loaded = load([tmp_path])

    assert [one.metadata.name for one in loaded.resources.quotas] == ["one", "two"]
    assert [(one.resource, one.path, one.line) for one in loaded.violations] == [
        ("Quota acme-prod/three", "spec.limits.tokensPerMinute", 9),
        ("Quota acme-prod/four", "spec.limits.tokensPerMinute", 15),
    ]


def test_other_kinds_are_left_alone_with_a_note(tmp_path: Path) -> None:
    """A ConfigMap, another group's Tenant and a file of secrets are no mistakes."""
    file = tmp_path / "f.yaml"
    file.write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"
        "---\napiVersion: capsule.clastix.io/v1beta2\nkind: Tenant\nmetadata: {name: x}\n"
        "---\nllm/acme/openai: {api_key: k}\n"
    )

    loaded = load([file])

    assert loaded.violations == ()
    assert [(note.line, note.message.split(" is no ")[0]) for note in loaded.notes] == [
        (1, "v1 ConfigMap"),
        (5, "capsule.clastix.io/v1beta2 Tenant"),
        (9, "a document without kind"),
    ]
    assert "k}" not in str(loaded.notes)


def test_a_path_that_does_not_exist_is_a_violation(tmp_path: Path) -> None:
    """A wrong path is said, not taken for an empty directory."""
    (found,) = load([tmp_path / "nothing.yaml"]).violations

    assert found.message == "no such file or directory"


@pytest.mark.parametrize(
    ("raw", "message", "line"),
    [
        (b"a: 1\nb: \xff\n", "it is not UTF-8", 2),
        (b"a: \x00\n", "the YAML is broken", 1),
        (b"x" * (8 * 1024 * 1024 + 1), "larger than 8 MiB", None),
    ],
)
def test_a_file_that_is_no_text_is_a_violation(
    raw: bytes, message: str, line: int | None, tmp_path: Path
) -> None:
    """Bytes that are no YAML are named with the line where they are."""
    file = tmp_path / "f.yaml"
    file.write_bytes(raw)

    (found,) = load([file]).violations

    assert message in found.message
    assert found.line == line


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    """Editors on Windows write one."""
    file = tmp_path / "f.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + QUOTA.format(name="one").encode())

    assert load([file]).violations == ()


def test_a_key_that_occurs_twice_is_refused_at_any_depth() -> None:
    """The last value never wins in silence."""
    found = only_violation("a:\n  - b: 1\n    c: 2\n    b: 3\n")

    assert "key 'b' occurs twice, first in line 2" in found.message
    assert found.line == 4


def test_aliases_work_and_a_flood_of_them_does_not() -> None:
    """An alias repeats a value; they can't fill the memory, nor contain themselves."""
    (sound,) = documents("a: &x {n: 1}\nb: *x\n")
    assert isinstance(sound, Document)
    assert sound.data == {"a": {"n": 1}, "b": {"n": 1}}

    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"] + [
        f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 10) + "]" for n in range(1, 10)
    ]
    assert "more than 200000 values" in only_violation("\n".join(levels)).message
    assert "an alias contains itself" in only_violation("a: &x [*x]").message


def test_text_nested_too_deeply_is_a_violation() -> None:
    """A hundred thousand brackets end in a message."""
    assert "nested too deeply" in only_violation("[" * 100_000).message


def test_values_are_read_as_kubectl_reads_them() -> None:
    """Timestamps stay strings, base 60 is no number, 1e3 is the whole number 1000."""
    (found,) = documents("a: 2026-08-01T00:00:00Z\nb: 12:30\nc: 1e3\nd: 0x10\ne: yes\nf: 1.5\n")
    assert isinstance(found, Document)

    assert {key: (type(value), value) for key, value in found.data.items()} == {
        "a": (str, "2026-08-01T00:00:00Z"),
        "b": (str, "12:30"),
        "c": (int, 1000),
        "d": (int, 16),
        "e": (bool, True),
        "f": (float, 1.5),
    }


def test_a_tag_makes_no_objects() -> None:
    """YAML that asks for Python objects is refused."""
    assert (
        "could not determine a constructor" in only_violation("!!python/name:os.system x").message
    )


def test_a_key_that_is_no_string_is_refused(tmp_path: Path) -> None:
    """`on:` is a boolean in YAML 1.1; a mapping with it is no resource."""
    file = tmp_path / "f.yaml"
    file.write_text(QUOTA.format(name="one") + "  on: 3\n")

    (found,) = load([file]).violations

    assert found.message == "the key true is no string"


def test_two_copies_of_a_resource_in_two_files_name_each_other(tmp_path: Path) -> None:
    """The second copy is refused and says where the first one is; the first one counts."""
    (tmp_path / "a.yaml").write_text(QUOTA.format(name="one"))
    (tmp_path / "b.yaml").write_text(QUOTA.format(name="one"))

    loaded = load([tmp_path])

    (found,) = loaded.violations
    assert Path(found.file).name == "b.yaml"
    assert f"{tmp_path / 'a.yaml'}:1" in found.message
    assert len(loaded.resources.quotas) == 1


def test_a_document_that_is_no_mapping_is_a_violation(tmp_path: Path) -> None:
    """A list or a word is no resource."""
    file = tmp_path / "f.yaml"
    file.write_text("- a\n---\nword\n")

    loaded = load([file])

    assert [one.message for one in loaded.violations] == ["a resource is a mapping"] * 2
    assert not loaded.resources.complete


def test_a_resource_as_the_cluster_returns_it_is_accepted(tmp_path: Path) -> None:
    """What the API server adds to metadata and status is no mistake."""
    file = tmp_path / "f.yaml"
    file.write_text(
        QUOTA.format(name="one").replace(
            "{name: one, namespace: acme-prod}",
            "{name: one, namespace: acme-prod, uid: u, generation: 3, resourceVersion: '7',"
            " creationTimestamp: 2026-08-01T00:00:00Z, labels: {a: b}, managedFields: [{}]}",
        )
        + "status:\n  observedGeneration: 3\n  conditions:\n"
        "  - {type: Accepted, status: 'True', reason: Accepted, message: '',"
        " lastTransitionTime: 2026-08-01T00:00:00Z}\n"
    )

    loaded = load([file])

    assert loaded.violations == ()
    (quota,) = loaded.resources.quotas
    assert quota.metadata.generation == 3
    assert quota.metadata.creation_timestamp == "2026-08-01T00:00:00Z"


def test_a_newline_at_the_end_does_not_pass_a_pattern(tmp_path: Path) -> None:
    """A name with a line break at its end is refused, as the API server refuses it."""
    file = tmp_path / "f.yaml"
    file.write_text(QUOTA.format(name='"one\\n"'))

    (found,) = load([file]).violations

    assert found.path == "metadata.name"


def test_a_field_is_located_in_its_file(tmp_path: Path) -> None:
    """The line of any field can be had later, for findings that compiling makes."""
    file = tmp_path / "f.yaml"
    file.write_text("# first\n" + QUOTA.format(name="one"))

    resources = load([file]).resources
    source = resources.locate(("Quota", "acme-prod", "one"), "spec.limits.tokensPerMinute")

    assert source is not None
    assert (source.file, source.line) == (str(file), 7)
    assert resources.locate(("Quota", "acme-prod", "two"), "spec") is None


@pytest.mark.parametrize("path", ["", "spec", "spec.backends[1].weight", "a[0][12].b"])
def test_a_path_has_one_meaning(path: str) -> None:
    """Writing and reading a path are inverse."""
    assert dotted(steps_of(path)) == path
