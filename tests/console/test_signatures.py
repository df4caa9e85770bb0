"""The enqueue form knows the parameters of tasks: shown, completed, checked while one types."""

from __future__ import annotations

from taskconsole.backends.commands import Enqueue
from taskconsole.console.dialogs.enqueue import EnqueueForm
from taskconsole.console.dialogs.schedule import ScheduleForm
from taskconsole.console.place import Place
from taskconsole.model.signature import Parameter, ParameterKind, Signature
from tests.console.fake_backend import FakeBackend, queue
from tests.console.screens import running, text_of, until, until_shown

SUBJECT = Parameter(name="subject", optional=True, annotation="str")
SEND = Signature(task="send_mail", parameters=(Parameter(name="to", annotation="str"), SUBJECT))
MORE = Signature(task="free", parameters=(Parameter(name="more", kind=ParameterKind.MORE),))


def knowing(*signatures):
    backend = FakeBackend([queue("mail", workers=1)])
    backend.signatures_found = list(signatures)
    return backend


async def opened(pilot):
    await pilot.press("e")
    await until(lambda: isinstance(pilot.app.screen, EnqueueForm) and pilot.app.focused)


async def test_the_form_shows_completes_and_checks_the_parameters_while_one_types():
    async with running(knowing(SEND, MORE)) as pilot:
        app = pilot.app
        await opened(pilot)
        await until_shown(app, "enqueue a task")
        await pilot.press(*"sen")
        await until_shown(app, "enqueue send_mail(to: str, subject: str = …)")
        await until(lambda: app.screen.task_name._suggestion == "send_mail")
        await pilot.press("right")
        await until_shown(app, "send_mail needs to")
        await pilot.press("enter")
        assert isinstance(app.screen, EnqueueForm)

        await pilot.press("tab", "tab", *'{"t')
        await until(lambda: app.screen.kwargs._suggestion == '{"to": ')
        await pilot.press("right", *'"ada", "sub')
        await until(lambda: app.screen.kwargs._suggestion == '{"to": "ada", "subject": ')
        await pilot.press(*'ject2": 1}')
        await until_shown(app, "send_mail has no parameter subject2")
        await pilot.press(*["backspace"] * 6, *'": 1}')
        await until_shown(app, "enter enqueues; z cannot")
        await pilot.press("enter")
        await until(lambda: app.backend.applied)
        assert app.backend.applied == [Enqueue(queue="mail", task="send_mail", kwargs={"to": "ada", "subject": 1})]


async def test_a_task_that_takes_anything_gets_a_warning_and_the_name():
    async with running(knowing(MORE)) as pilot:
        app = pilot.app
        await opened(pilot)
        await pilot.press(*"free", "tab", "tab", *'{"x": 1}')
        await until_shown(app, "no parameter is called x: it goes to the others; enter enqueues it all the same")
        await pilot.press("enter")
        await until(lambda: app.backend.applied)


async def test_where_one_worker_would_take_it_or_does_not_tell_it_is_a_warning():
    for other in (Signature(task="send_mail"), Signature(task="send_mail", parameters=())):
        async with running(knowing(SEND, other)) as pilot:
            app = pilot.app
            await opened(pilot)
            await pilot.press(*"send_mail")
            await until_shown(app, "some workers refuse this: there send_mail needs to; enter enqueues")
            await pilot.press("enter")
            await until_shown(app, "enqueued send_mail")


async def test_what_no_worker_tells_of_is_enqueued_as_ever_and_so_is_a_bare_payload():
    async with running(knowing(SEND)) as pilot:
        app = pilot.app
        await opened(pilot)
        await pilot.press(*"other", "tab", *"[1]")
        await until_shown(app, "enter enqueues; z cannot")
    async with running(knowing(SEND)) as pilot:
        app = pilot.app
        await opened(pilot)
        await pilot.press(*"send_mail", "down", "down", "down", "down", "space")
        await until_shown(app, "enter enqueues; z cannot")
        await until_shown(app, "enqueue a task")


async def test_what_a_stranger_tells_does_not_reach_the_terminal():
    evil = "\x1b]52;c;x\x07[@click=app.quit]x[/]"
    async with running(
        knowing(Signature(task=f"a{evil}", parameters=(Parameter(name="n", annotation=evil),)))
    ) as pilot:
        app = pilot.app
        await opened(pilot)
        await pilot.press("a")
        await until_shown(app, "␛]52;c;x␇[@click=app.quit]x[/](n: ␛]52")
        assert "\x1b" not in text_of(app)


async def test_what_hides_a_secret_is_not_enqueued_in_its_place():
    async with running(knowing()) as pilot:
        app = pilot.app
        await opened(pilot)
        await pilot.press(*"login", "tab", "tab", *'{"password": "***"}')
        await until_shown(app, "*** stands in the place of a secret: type it")
        await pilot.press("enter")
        assert isinstance(app.screen, EnqueueForm)


async def test_what_hides_a_secret_is_not_written_into_a_schedule():
    async with running(knowing(), start=Place(view="schedules")) as pilot:
        app = pilot.app
        await pilot.press("c")
        await until(lambda: isinstance(app.screen, ScheduleForm) and app.focused)
        await pilot.press(
            "shift+tab",
            "shift+tab",
            *"nightly",
            "tab",
            "tab",
            *"every 5m",
            "tab",
            "tab",
            *"login",
            "tab",
            "tab",
            *'{"password": "***"}',
        )
        await until_shown(app, "*** stands in the place of a secret: type it")
        await pilot.press("enter")
        assert isinstance(app.screen, ScheduleForm)
        assert app.backend.applied == []
