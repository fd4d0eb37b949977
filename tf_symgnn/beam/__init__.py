"""Apache Beam pipelines, which alone import Beam."""
