"""Payments: charges, declines and refunds."""
