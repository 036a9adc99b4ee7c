"""A SunSpec inverter of 100 kW on Modbus TCP, driven by lines on standard input until that ends. Its port is the first line printed.

  get REGISTER          prints what a register holds
  set REGISTER VALUE    changes it
"""
import asyncio
import sys

from pymodbus.datastore import ModbusServerContext, ModbusSlaveContext, ModbusSparseDataBlock
from pymodbus.server.async_io import ModbusTcpServer

BASE, UNIT, SUN = 40000, 1, 90000  # W that the sun would give


def text(s, registers):
    b = s.encode().ljust(2 * registers, b'\0')
    return [b[i] << 8 | b[i + 1] for i in range(0, len(b), 2)]


def wide(n, registers):
    return [n >> 16 * i & 0xFFFF for i in reversed(range(registers))]


def model(number, length, points, signed=()):
    """A model of that length, its points by register behind the length; what is left out is not implemented."""
    body = [0xFFFF] * length
    for at in signed:
        body[at] = 0x8000
    for at, value in points.items():
        value = value if isinstance(value, list) else [value & 0xFFFF]
        body[at:at + len(value)] = value
    assert len(body) == length
    return [number, length] + body


MODELS = [
    model(1, 66, {0: text('Sunny & Sons', 16), 16: text('SIM-100', 16), 32: text('', 8), 40: text('2.1', 8), 48: text('S-0042', 16), 64: 1, 65: 0x8000}),
    model(103, 50, {0: 1299, 4: -1, 5: [4006, 3998, 4002, 2313, 2309, 2310], 11: -1, 12: 9000, 13: 1, 14: 5001, 15: -2, 16: 9020, 17: 1, 18: 600, 19: 1,
                    20: 997, 21: -1, 22: wide(412873, 2), 24: 3, 25: 1250, 26: -1, 27: 7320, 28: -1, 29: 9150, 30: 1, 31: [412, 385, 0x8000, 0x8000], 35: -1,
                    36: 4, 38: wide(0, 2)}),
    model(120, 26, {0: 4, 1: 10000, 2: 1, 3: 11000, 4: 1, 10: 1600, 11: -1, 25: 0x8000}, range(5, 25)),
    model(121, 30, {0: 10000, 1: 400, 2: 0, 20: [1, 0, 0]}, range(20, 30)),
    model(122, 44, {0: 7, 1: 0, 2: 1, 3: wide(412873000, 4), 29: 9000, 30: 1}),
    model(123, 24, {2: 1, 3: 1000, 7: 0, 8: 1000, 12: 0, 20: 0, 21: [0xFFFF, 0xFFFD, 0x8000]}),
    model(701, 153, {0: 2, 1: 1, 2: 3, 3: 1, 4: wide(0, 2), 6: wide(1, 2), 8: 9000, 9: 9020, 10: 600, 11: 998, 12: 1299, 13: 4002, 14: 2311, 15: wide(50010, 2),
                     17: wide(412873000, 4), 21: wide(96000, 4), 33: 215,
                     43: 433, 44: 4006, 45: 2313, 66: 433, 67: 3998, 68: 2309, 89: 433, 90: 4002, 91: 2310,
                     111: [-1 & 0xFFFF, -1 & 0xFFFF, -3 & 0xFFFF, 1, -3 & 0xFFFF, 1, 1, 0, 0, -1 & 0xFFFF], 121: text('', 32)}),
    model(702, 50, {0: 10000, 5: 11000, 24: 10000, 29: 11000, 43: [1, 0x8000, 1, 0x8000, 0x8000, 0x8000, 0x8000]}),
    model(703, 17, {0: 1, 15: [-1 & 0xFFFF, -2 & 0xFFFF]}),
    model(704, 65, {12: 0, 13: 1000, 14: 1000, 51: [0x8000, -1 & 0xFFFF, 0x8000, 0x8000, 0x8000, 0x8000]}),
    model(713, 7, {5: [0x8000, 0x8000]}),
]


def registers():
    values = [0x5375, 0x6e53]
    at = {}
    for m in MODELS:
        at[m[0]] = BASE + len(values) + 2
        values += m
    return values + [0xFFFF, 0], at


async def main():
    values, at = registers()
    block = ModbusSparseDataBlock({BASE: values})
    slave = ModbusSlaveContext(hr=block, zero_mode=True)
    server = ModbusTcpServer(ModbusServerContext(slaves={UNIT: slave}, single=False), address=('127.0.0.1', int(sys.argv[1])), allow_reuse_address=True)
    serving = asyncio.create_task(server.serve_forever())
    await server.serving
    print(server.server.sockets[0].getsockname()[1], flush=True)

    async def shine():
        """The inverter feeds what the sun gives, up to the limit where that is enabled."""
        while True:
            enabled, percent = block.getValues(at[704] + 12, 2)
            most = block.getValues(at[702] + 24, 1)[0] * 10 * percent // 1000 if enabled == 1 else SUN
            block.setValues(at[701] + 8, [min(SUN, most) // 10])
            await asyncio.sleep(0.02)

    shining = asyncio.create_task(shine())
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        match line.split():
            case ['get', register]:
                print(block.getValues(int(register), 1)[0], flush=True)
            case ['set', register, value]:
                block.setValues(int(register), [int(value)])
    shining.cancel()
    serving.cancel()

asyncio.run(main())
