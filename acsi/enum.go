package acsi

import "busbar.example/value"

// StandardEnum is the enumeration that IEC 61850-7-3 and -7-4 give to the attribute attr of the data object do,
// or nil where they give none that is known here. An engineer may have narrowed or widened it: where a Node has
// an Enum of its own, that one holds. The Enum is shared: it must not be changed.
func StandardEnum(do, attr string) *Enum {
	switch attr {
	case "stVal", "ctlVal", "setVal", "subVal", "valRev":
		return enumOfDO[do]
	}
	return enumOfAttribute[attr]
}

// CodedEnum names the values of a two-bit string that is a position or a step command: n's basic type tells,
// else its name. The number of a value is its two bits, the left one the higher. nil where n is none of these.
//
// IEC 61850-7-2, 6.1.2.10 and IEC 61850-8-1, 8.1.2.
func CodedEnum(n *Node) *Enum {
	if n.Type.Kind != value.BitString || n.Type.Size != 2 && n.Type.Size != -2 {
		return nil
	}
	basic := n.Basic
	if basic == "" {
		switch n.Name {
		case "stVal", "subVal", "valRev":
			basic = "Dbpos"
		case "ctlVal":
			basic = "Tcmd"
		}
	}
	switch basic {
	case "Dbpos":
		return dbpos
	case "Tcmd":
		return tcmd
	}
	return nil
}

func enumFrom(id string, first int, names ...string) *Enum {
	e := &Enum{ID: id}
	for i, name := range names {
		e.Values = append(e.Values, EnumValue{Ord: first + i, Name: name})
	}
	return e
}

// with adds a run of names from first on.
func (e *Enum) with(first int, names ...string) *Enum {
	e.Values = append(e.Values, enumFrom("", first, names...).Values...)
	return e
}

var (
	dbpos = enumFrom("Dbpos", 0, "intermediate-state", "off", "on", "bad-state")
	tcmd  = enumFrom("Tcmd", 0, "stop", "lower", "higher", "reserved")

	behaviour = enumFrom("BehaviourModeKind", 1, "on", "blocked", "test", "test/blocked", "off")
	health    = enumFrom("HealthKind", 1, "Ok", "Warning", "Alarm")
	direction = enumFrom("FaultDirectionKind", 0, "unknown", "forward", "backward", "both")
	phase     = enumFrom("PhaseFaultDirectionKind", 0, "unknown", "forward", "backward")
	inRange   = enumFrom("RangeKind", 0, "normal", "high", "low", "high-high", "low-low")
)

// enumOfDO is by the name of a data object, for its value.
//
// IEC 61850-7-4, 6; the generator's operating state: IEC 61850-7-420.
var enumOfDO = map[string]*Enum{
	"SchdSt": enumFrom("ScheduleStateKind", 1, "not ready", "start time required", "ready", "running"),
	"SchdEnaErr": enumFrom("ScheduleEnablingErrorKind", 1, "none", "missing valid NumEntr", "missing valid SchdIntv",
		"missing valid schedule values", "inconsistent values CDC", "missing valid StrTm").with(99, "other"),
	"Beh":       behaviour,
	"Mod":       behaviour,
	"Health":    health,
	"PhyHealth": health,
	"EEHealth":  health,
	"CBOpCap": enumFrom("BreakerOpCapabilityKind", 1, "None", "Open", "Close-Open", "Open-Close-Open",
		"Close-Open-Close-Open", "Open-Close-Open-Close-Open", "more"),
	"SwOpCap": enumFrom("SwitchOpCapabilityKind", 1, "None", "Open", "Close", "Open and Close"),
	"SwTyp":   enumFrom("SwitchFunctionKind", 1, "Load Break", "Disconnector", "Earthing Switch", "High Speed Earthing Switch"),
	"GnOpSt": enumFrom("GnOpStKind", 0, "Not applicable / Unknown", "Not operating", "Operating", "Starting up",
		"Shutting down", "At disconnect level", "Ramping (power)", "Ramping (reactive power)").with(99, "Other"),
}

// enumOfAttribute is by the name of an attribute, in any data object.
//
// IEC 61850-7-3, 6 and 7; orCat: IEC 61850-7-3, 6.8; the units: IEC 61850-7-3, Annex A.
var enumOfAttribute = map[string]*Enum{
	"ctlModel": enumFrom("CtlModelKind", 0, "status-only", "direct-with-normal-security", "sbo-with-normal-security",
		"direct-with-enhanced-security", "sbo-with-enhanced-security"),
	"orCat": enumFrom("OriginatorCategoryKind", 0, "not-supported", "bay-control", "station-control", "remote-control",
		"automatic-bay", "automatic-station", "automatic-remote", "maintenance", "process"),
	"sboClass":   enumFrom("SboClassKind", 0, "operate-once", "operate-many"),
	"dirGeneral": direction,
	"dirPhsA":    phase,
	"dirPhsB":    phase,
	"dirPhsC":    phase,
	"dirNeut":    phase,
	"range":      inRange,
	"rangeAng":   inRange,
	"sev":        enumFrom("SeverityKind", 0, "unknown", "critical", "major", "minor", "warning"),
	"seqT":       enumFrom("SequenceKind", 0, "pos-neg-zero", "dir-quad-zero"),
	"multiplier": enumFrom("MultiplierKind", -24, "y").with(-21, "z").with(-18, "a").with(-15, "f").with(-12, "p").
		with(-9, "n").with(-6, "µ").with(-3, "m", "c", "d", "", "da", "h", "k").with(6, "M").with(9, "G").with(12, "T").
		with(15, "P").with(18, "E").with(21, "Z").with(24, "Y"),
	"SIUnit": enumFrom("SIUnitKind", 1, "", "m", "kg", "s", "A", "K", "mol", "cd", "deg", "rad", "sr").
		with(21, "Gy", "Bq", "°C", "Sv", "F", "C", "S", "H", "V", "ohm", "J", "N", "Hz", "lx", "Lm", "Wb", "T", "W", "Pa").
		with(41, "m²", "m³", "m/s", "m/s²", "m³/s", "m/m³", "M", "kg/m³", "m²/s", "W/m K", "J/K", "ppm", "1/s", "rad/s",
			"W/m²", "J/m²", "S/m", "K/s", "Pa/s", "J/kg K", "VA", "Watts", "VAr", "phi", "cos(phi)", "Vs", "V²", "As",
			"A²", "A²t", "VAh", "Wh", "VArh", "V/Hz", "Hz/s", "char", "char/s", "kgm²", "dB", "J/Wh", "W/s", "l/s",
			"dBm", "h", "min", "Ohm/m", "percent/s", "A/V", "A/Vs"),
}
