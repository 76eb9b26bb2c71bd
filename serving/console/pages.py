"""All pages of the console, by the place they are found at."""

from serving.console import case_page, labels_page, quality_page, queue_page, rules_page, system_page


def add_pages() -> None:
    """Register each page with NiceGUI; once a process."""
    for page in (queue_page, case_page, rules_page, quality_page, labels_page, system_page):
        page.add()
