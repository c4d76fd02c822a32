import pytest

from dmad.errors import DmadError
from dmad.serve.settings import ServeSettings


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_this_machine_needs_no_token(host):
    assert ServeSettings(host=host).is_local
    assert ServeSettings(host=host).read_token() == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "console.example"])
def test_another_address_needs_a_token(host, tmp_path):
    with pytest.raises(DmadError, match="--token-file"):
        ServeSettings(host=host)
    assert not ServeSettings(host=host, token_file=tmp_path / "token").is_local


def test_a_token_is_read_without_spaces(tmp_path):
    (tmp_path / "token").write_text("  0123456789abcdef\n")
    assert ServeSettings(token_file=tmp_path / "token").read_token() == "0123456789abcdef"


@pytest.mark.parametrize("token", ["", "short", "0123456789abcdeé", "two\nlines-two-lines"])
def test_a_weak_token_is_refused(token, tmp_path):
    (tmp_path / "token").write_text(token)
    with pytest.raises(DmadError, match="16 or more"):
        ServeSettings(token_file=tmp_path / "token").read_token()


@pytest.mark.parametrize(
    "values", [{"port": -1}, {"port": 70000}, {"keep_days": -1}, {"upload_megabytes": 0}]
)
def test_values_out_of_range_are_refused(values):
    with pytest.raises(DmadError, match=f"{next(iter(values))} is"):
        ServeSettings(**values)
