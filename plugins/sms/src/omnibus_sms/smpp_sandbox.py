"""An SMSC on loopback: refuses wrong binds, keeps what it accepted, owes receipts, and can fail in every way."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from smpp34 import DeliverSm, SubmitSm, Tlv, decode

from omnibus.testing import World
from omnibus_sms.handsets import Phones
from omnibus_sms.segments import encode, encoding_of
from omnibus_sms.smpp_pdu import CODING, MESSAGE_STATE, PAYLOAD, RECEIPTED_ID, UDH, words
from omnibus_sms.smpp_session import BIND, DELIVER, ENQUIRE, NACK, RESPONSE, SUBMIT, UNBIND, pdu

SYSTEM_ID, PASSWORD, WEBHOOK_SECRET = "omnibus", "s4ndbox", "sandbox-webhook-secret"
BLOCKED = 0x66  # what this SMSC answers for a number on its STOP list: rejected by the application


class SmppSandbox(Phones):
    """Be an SMSC; receipts spell ids as *decimal* when the responses are hexadecimal."""

    name: ClassVar[str] = "smpp"
    number: ClassVar[str] = "+447700900000"
    decimal: ClassVar[bool] = False

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()
        self._receivers: list[asyncio.StreamWriter] = []
        self._answers: dict[int, asyncio.Future[int]] = {}
        self._sequence, self._port = 0, 0
        self.binds: list[tuple[str, int]] = []

    async def start(self) -> Mapping[str, Mapping[str, Any]]:
        """Listen on a free loopback port."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self.table()

    def table(self) -> Mapping[str, Mapping[str, Any]]:
        """Point ``[channels.sms]`` here."""
        return {"sms": {
            "provider": "smpp", "system_id": SYSTEM_ID, "password": PASSWORD, "host": "127.0.0.1", "port": self._port,
            "from": self.number, "webhook_secret": WEBHOOK_SECRET,
        }}  # fmt: skip

    async def stop(self) -> None:
        """Drop everybody and stop listening."""
        if self._server is not None:
            self._server.close()
        await self.drop()
        self._server = None

    async def drop(self) -> None:
        """Cut every session as a crash would."""
        talks = list(self._talks)
        for each in talks:
            each.cancel()
        await asyncio.gather(*talks, return_exceptions=True)

    async def report(self, payload: Mapping[str, Any]) -> None:
        """Deliver a receipt to whoever is bound to receive.

        Raises:
            RuntimeError: nobody is, or it was not acknowledged with 0.
        """
        id_ = str(int(payload["id"], 16)) if self.decimal else payload["id"]
        stat, err, at = (
            payload.get("stat", "DELIVRD"),
            payload.get("err", "000"),
            self.world.now().strftime("%y%m%d%H%M"),
        )
        text = f"id:{id_} sub:001 dlvrd:001 submit date:{at} done date:{at} stat:{stat} err:{err} text:"
        states = {"DELIVRD": 2, "EXPIRED": 3, "UNDELIV": 5, "REJECTD": 8}
        tlvs = [Tlv(RECEIPTED_ID, id_.encode() + b"\0"), Tlv(MESSAGE_STATE, bytes([states[stat]]))]
        await self._deliver(payload["to"], payload["from"], text.encode(), esm_class=4, tlvs=tlvs)

    async def incoming(self, id: str, phone: str, text: str) -> None:
        """Deliver what a person wrote."""
        encoding = encoding_of(text)
        octets = encode(text, encoding)
        await self._deliver(phone.removeprefix("+"), self.number[1:], octets, data_coding=CODING[encoding])

    # ---- inside

    async def _deliver(self, source: str, target: str, octets: bytes, **more: Any) -> None:
        if not self._receivers:
            raise RuntimeError("nobody is bound to receive")
        self._sequence += 1
        sent = DeliverSm(
            source, target, octets, source_addr_ton=1, source_addr_npi=1, sequence_number=self._sequence, **more
        )
        waiting = self._answers[self._sequence] = asyncio.get_running_loop().create_future()
        self._receivers[-1].write(sent.encode())
        if await waiting:
            raise RuntimeError("the bus did not store it")

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._talk(reader, writer))
        self._talks.add(task)
        task.add_done_callback(self._talks.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bound = ""
        try:
            while True:
                head = await reader.readexactly(16)
                length, command, status, sequence = struct.unpack(">IIII", head)
                body = await reader.readexactly(length - 16)
                if command in BIND.values():
                    bound = self._bind(command, sequence, body, writer)
                elif command == ENQUIRE:
                    writer.write(pdu(ENQUIRE | RESPONSE, 0, sequence))
                elif command == DELIVER | RESPONSE:
                    self._answers.pop(sequence).set_result(status)
                elif command == UNBIND:
                    writer.write(pdu(UNBIND | RESPONSE, 0, sequence))
                    return
                elif command == SUBMIT and bound:
                    await self._submitted(decode(head + body), sequence, writer)
                else:
                    writer.write(pdu(NACK, 0x04, sequence))
        except (EOFError, OSError):
            return
        finally:
            if writer in self._receivers:
                self._receivers.remove(writer)
            for waiting in self._answers.values():
                waiting.cancel()
            self._answers.clear()
            writer.close()

    def _bind(self, command: int, sequence: int, body: bytes, writer: asyncio.StreamWriter) -> str:
        system_id, password, *_ = body.split(b"\0")
        status = 0x0F if system_id != SYSTEM_ID.encode() else 0x0E if password != PASSWORD.encode() else 0
        writer.write(pdu(command | RESPONSE, status, sequence, b"" if status else b"sandbox\0"))
        self.binds.append((system_id.decode("latin-1"), command))
        if not status and command == BIND["transceiver"]:
            self._receivers.append(writer)
        return "" if status else "bound"

    async def _submitted(self, sent: Any, sequence: int, writer: asyncio.StreamWriter) -> None:
        assert isinstance(sent, SubmitSm)
        fault, _ = self.next_fault()
        to = f"+{sent.destination_addr}"
        status = {"429": 0x58, "500": 0x08}.get(fault, 0) or self._refuses(sent, to)
        if status:
            if fault not in {"429", "500"}:
                self.record(self.new_id(""), "message", to, "", refused=f"0x{status:02X}")
            writer.write(pdu(SUBMIT | RESPONSE, status, sequence))
            return
        id_ = self._accept(sent, to)
        if fault == "lost":
            writer.transport.abort()
        elif fault == "garbage":
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        elif fault != "timeout":
            if fault == "early":  # the receipt overtakes the response
                payload = {"id": id_, "to": sent.destination_addr, "from": sent.source_addr}
                early = asyncio.create_task(self.report(payload))
                await writer.drain()
                self._talks.add(early)
                early.add_done_callback(self._talks.discard)
                await asyncio.sleep(0)
            writer.write(pdu(SUBMIT | RESPONSE, 0, sequence, id_.encode() + b"\0"))

    def _refuses(self, sent: SubmitSm, to: str) -> int:
        rules = (
            (sent.source_addr_ton == 5 and not 1 <= len(sent.source_addr) <= 11, 0x0A),
            (sent.dest_addr_ton != 1 or not sent.destination_addr.isdecimal() or len(sent.destination_addr) > 15, 0x0B),
            (sent.data_coding not in {0, 1, 3, 8}, 0x66),
            (len(sent.short_message) > 140 + 20 * (sent.data_coding != 8), 0x01),
            (self.blocked(to), BLOCKED),
        )
        return next((status for wrong, status in rules if wrong), 0)

    def _accept(self, sent: SubmitSm, to: str) -> str:
        """Write to the ledger: each part as it comes, and the message once it is whole."""
        octets = sent.short_message or next((tlv.value for tlv in sent.tlvs if tlv.tag == PAYLOAD), b"")
        joined = sent.esm_class & UDH
        reference, total, number = octets[3:6] if joined else (0, 1, 1)
        text = words(octets[6:] if joined else octets, sent.data_coding, "gsm7")
        id_ = self.new_id("")[:16]
        data = {
            "from": sent.source_addr,
            "coding": sent.data_coding,
            "parts": total,
            "ref": reference,
            "number": number,
        }
        self.record(id_, "part" if total > 1 else "message", to, text, data=data)
        if number == total > 1:
            mine = [
                each for each in self.world.of("sms", kind="part") if (each.to, each.data["ref"]) == (to, reference)
            ]
            self.record(id_, "message", to, "".join(each.text for each in mine[-total:]), data=data)
        if sent.registered_delivery & 1:
            debt = {"id": id_, "to": sent.destination_addr, "from": sent.source_addr}
            self.world.owe(self, f"{id_}:DELIVRD", timedelta(seconds=3), debt)
        return id_
