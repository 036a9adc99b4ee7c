"""Counts what each access point with a server has, from the XML alone, with ElementTree and nothing of Busbar.

python3 scl_count.py FILE prints {"IED AP": {"LD": 2, "LN": 6, "DO": 11, "SDO": 3, "ST": 24, ...}}.
"""

import collections
import json
import sys
import xml.etree.ElementTree as ET

root = ET.parse(sys.argv[1]).getroot()
ns = root.tag[: root.tag.index("}") + 1] if root.tag.startswith("{") else ""


def below(element, *names):
    """The parts of element that are called so, in their order."""
    return [] if element is None else [e for e in element if e.tag in [ns + n for n in names]]


templates = root.find(ns + "DataTypeTemplates")
types = {kind: {t.get("id"): t for t in reversed(below(templates, kind))} for kind in ("DOType", "DAType")}


def type_of(node):
    """The LNodeType of a logical node: of its id, and of its class where several have that id."""
    of = [t for t in below(templates, "LNodeType") if t.get("id") == node.get("lnType")]
    return next((t for t in of if t.get("lnClass") == node.get("lnClass")), of[0] if of else None)


def instance(parts, name):
    return next((p for p in parts if p.get("name") == name), None)


def count(member, beside, given):
    """The number of elements of an array, which may stand in an attribute beside it; else 1."""
    text = member.get("count")
    if text is None or text == "0":
        return 1
    if text.isdigit():
        return int(text)
    values = [v.text for v in below(instance(below(beside, "DA", "BDA"), text), "Val")]
    values += [v.text for v in below(instance(below(given, "DAI"), text), "Val")]
    return int(values[-1])


def attribute(member, fc):
    if member.get("bType") == "PhyComAddr":  # a MAC address, priority, VLAN and application
        return collections.Counter({fc: 4})
    if member.get("bType") != "Struct":
        return collections.Counter({fc: 1})
    total = collections.Counter()
    structure = types["DAType"].get(member.get("type"))
    for part in below(structure, "BDA"):
        for _ in range(count(part, structure, None)):
            total += attribute(part, fc)
    return total


def data_object(kind, member, given):
    total = collections.Counter()
    of = types["DOType"].get(member.get("type"))
    for part in below(of, "SDO", "DA"):
        if part.tag == ns + "SDO":
            one = data_object("SDO", part, instance(below(given, "SDI"), part.get("name")))
        else:
            one = attribute(part, part.get("fc"))
            if part.get("fc") == "SE":
                one += attribute(part, "SG")
        for _ in range(count(part, of, given)):
            total += one
    if total:
        total[kind] += 1
    return total


def holds(of, path, fc, under=None):
    """Whether a type has what path names, with an attribute under fc in it."""
    for member in below(of, "DO", "SDO", "DA", "BDA"):
        if path and member.get("name") != path[0].split("(")[0]:
            continue
        if member.tag in (ns + "DO", ns + "SDO"):
            if holds(types["DOType"].get(member.get("type")), path[1:], fc):
                return True
            continue
        has = member.get("fc") or under
        if has != fc and (has, fc) != ("SE", "SG"):
            continue
        if member.get("bType") != "Struct":
            if not path[1:]:
                return True
        elif holds(types["DAType"].get(member.get("type")), path[1:], fc, has):
            return True
    return False


def name_of(node, inst="inst"):
    return (node.get("prefix") or "") + node.get("lnClass") + (node.get(inst) or "")


def data_sets(node, device, nodes):
    """The data sets of a logical node that have members that there are."""
    total = collections.Counter()
    for data_set in below(node, "DataSet"):
        members = 0
        for member in below(data_set, "FCDA"):
            of = nodes.get((member.get("ldInst") or device.get("inst"), name_of(member, "lnInst")))
            path = [p for part in ("doName", "daName") for p in (member.get(part) or "").split(".") if p]
            paths = [path] if path else [[do.get("name")] for do in below(of, "DO")]
            members += sum(holds(of, p, member.get("fc")) for p in paths)
        if members:
            total += collections.Counter({"DataSet": 1, "FCDA": members})
    return total


def blocks(node):
    total = collections.Counter()
    for report in below(node, "ReportControl"):
        instances = 1
        if report.get("indexed") != "false":
            instances = max([1] + [int(e.get("max", 1)) for e in below(report, "RptEnabled")])
        total["BRCB" if report.get("buffered") == "true" else "URCB"] += instances
    total["LCB"] = len(below(node, "LogControl"))
    total["SGCB"] = len(below(node, "SettingControl"))
    total["GoCB"] = len([g for g in below(node, "GSEControl") if g.get("type") != "GSSE"])
    for sampled in below(node, "SampledValueControl"):
        total["USVCB" if sampled.get("multicast") == "false" else "MSVCB"] += 1
    return +total


def server(element):
    nodes = {(device.get("inst"), name_of(node)): type_of(node)
             for device in below(element, "LDevice") for node in below(device, "LN0", "LN")}
    total = collections.Counter()
    for device in below(element, "LDevice"):
        total["LD"] += 1
        for node in below(device, "LN0", "LN"):
            of = type_of(node)
            if of is None:
                continue
            total["LN"] += 1
            for member in below(of, "DO"):
                total += data_object("DO", member, instance(below(node, "DOI"), member.get("name")))
            total += data_sets(node, device, nodes)
            total += blocks(node)
    return total


result = {}
for ied in below(root, "IED"):
    for ap in below(ied, "AccessPoint"):
        for element in below(ap, "Server"):
            result[ied.get("name") + " " + ap.get("name")] = server(element)
json.dump(result, sys.stdout)
