"""Apache Beam pipelines. No other package imports Beam."""
