"""`cli status`: every part, asked just now."""

from __future__ import annotations

from commands.output import HouseOption, JsonOption, VerboseOption, console, house_of, one_sentence, print_json


def status(as_json: JsonOption = False, house: HouseOption = None, verbose: VerboseOption = False) -> None:
    """Show the parts of the house, their addresses and health, and who can sign in."""
    from commands.house_view import show, status_json
    from commands.stack_view import is_up, show_stack, stack_json
    from compose.host.advice import has_stack
    from compose.workshop import is_begun, left_off

    with one_sentence(verbose):
        checked = house_of(house)
        stack = is_begun(checked.state) or (has_stack(checked.directory) and not is_up(checked.state))
        told = left_off(checked.state)
        if as_json:
            print_json({**(stack_json(checked) if stack else status_json(checked)), "unfinished": told})
            return
        if stack:
            show_stack(checked)
        else:
            show(checked)
        if told:
            console.print(told, style="yellow", markup=False, highlight=False)
