"""Small pictures, drawn in the colour of the text beside them."""

from markupsafe import Markup

_PATHS = {
    "theme": '<path d="M8 1.8a6.2 6.2 0 1 0 0 12.4z" fill="currentColor"/><circle cx="8" cy="8" r="6.2"/>',
    "clock": '<circle cx="8" cy="8" r="6"/><path d="M8 4.6V8l2.3 1.5"/>',
    "search": '<circle cx="7" cy="7" r="4.4"/><path d="m10.4 10.4 3.4 3.4"/>',
    "copy": '<rect x="5.5" y="5.5" width="8" height="8" rx="1.5"/>'
    '<path d="M10.5 5.5v-2a1 1 0 0 0-1-1h-6a1 1 0 0 0-1 1v6a1 1 0 0 0 1 1h2"/>',
    "filter": '<path d="M2 3.2h12L9.4 8.6v4.6l-2.8-1.5V8.6z"/>',
    "exclude": '<circle cx="8" cy="8" r="5.8"/><path d="m4 12 8-8"/>',
    "download": '<path d="M8 2.2v8m-3.2-3L8 10.4l3.2-3.2M2.8 13.4h10.4"/>',
    "compare": '<path d="M5.2 2.5v11M10.8 2.5v11M2.2 5.5h3m5.6 5h3"/>',
    "apart": '<circle cx="5.6" cy="8" r="3.6"/><circle cx="10.4" cy="8" r="3.6"/>',
    "logs": '<path d="M2.5 4h11M2.5 8h11M2.5 12h7"/>',
    "runs": '<path d="M2.5 3.5h11v9h-11zM2.5 6.5h11M6 6.5v6"/>',
    "close": '<path d="m4 4 8 8m0-8-8 8"/>',
    "alert": '<path d="M8 2.2 14.4 13.4H1.6z"/><path d="M8 6.6v3.2m0 1.7v.2"/>',
    "caret": '<path d="m5.5 3.5 4.5 4.5-4.5 4.5"/>',
}


def icon(name: str) -> Markup:
    """Return the picture as markup; it says nothing to a screen reader. The page holds each picture once."""
    use = f'<use href="#icon-{name}"/>'
    return Markup(f'<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">{use}</svg>')  # noqa: S704


def icon_sheet() -> Markup:
    """Return all pictures, for `icon` to refer to."""
    head = 'viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round"'
    symbols = "".join(f'<symbol id="icon-{name}" {head}>{path}</symbol>' for name, path in _PATHS.items())
    return Markup(f'<svg width="0" height="0" class="sr" aria-hidden="true">{symbols}</svg>')  # noqa: S704 - constants
