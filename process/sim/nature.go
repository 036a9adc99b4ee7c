package sim

import (
	"math"
	"time"
)

// sunHeight is the sine of the sun's height above the horizon at a place and time; negative at night. It is right
// to about a degree.
func sunHeight(t time.Time, latitude, longitude float64) float64 {
	t = t.UTC()
	day := float64(t.YearDay()) + float64(t.Sub(t.Truncate(24*time.Hour)))/float64(24*time.Hour)
	declination := -23.44 * math.Cos(2*math.Pi*(day+9)/365.25)
	hour := math.Mod(day, 1)*360 + longitude - 180 // from noon, in degrees
	return sinDeg(latitude)*sinDeg(declination) + cosDeg(latitude)*cosDeg(declination)*cosDeg(hour)
}

func sinDeg(d float64) float64 { return math.Sin(d * math.Pi / 180) }
func cosDeg(d float64) float64 { return math.Cos(d * math.Pi / 180) }

// clearSky is the irradiance of a horizontal plane below a clear sky, in W/m². Haurwitz' model.
func clearSky(height float64) float64 {
	if height <= 0 {
		return 0
	}
	return 1098 * height * math.Exp(-0.057/height)
}

// noise moves smoothly and without end between -1 and 1, from one value to another in each period. It is a function
// of its seed and the time.
func noise(seed uint64, t time.Time, period time.Duration) float64 {
	n := t.UnixNano() / int64(period)
	x := float64(t.UnixNano()%int64(period)) / float64(period)
	x = x * x * (3 - 2*x)
	return at(seed, n)*(1-x) + at(seed, n+1)*x
}

// at is chance's choice between -1 and 1 for the number n.
func at(seed uint64, n int64) float64 {
	return float64(mix(seed^mix(uint64(n))))/float64(1<<63) - 1
}

// mix spreads x over all 64 bits (splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// seedOf gives each named thing a seed of its own.
func seedOf(seed uint64, name string) uint64 {
	for i := range len(name) {
		seed = mix(seed ^ uint64(name[i]))
	}
	return seed
}

// clouds is the share of the light that they let through.
func clouds(seed uint64, t time.Time) float64 {
	slow := noise(seed, t, 40*time.Minute)
	fast := noise(seed+1, t, 3*time.Minute)
	cover := max(0, 0.6*slow+0.4*fast)
	return 1 - 0.75*cover
}

// dailyLoad is what consumers take in the course of a local day, between about 0.45 and 1 of their highest.
func dailyLoad(seed uint64, t time.Time, longitude float64) float64 {
	hour := math.Mod(float64(t.UTC().Sub(t.UTC().Truncate(24*time.Hour)))/float64(time.Hour)+longitude/15+24, 24)
	bump := func(center, width float64) float64 {
		d := math.Abs(hour - center)
		d = min(d, 24-d) / width
		return math.Exp(-d * d)
	}
	base := 0.45 + 0.3*bump(9, 3) + 0.2*bump(14, 4) + 0.4*bump(19, 2.5)
	return max(0.2, min(1, base+0.04*noise(seed, t, time.Minute)+0.02*noise(seed+1, t, 5*time.Second)))
}

// frequency is that of the network, in Hz, the same for all that hangs on it.
func frequency(seed uint64, t time.Time) float64 {
	return 50 + 0.02*noise(seed, t, 30*time.Second) + 0.01*noise(seed+1, t, 4*time.Second)
}
