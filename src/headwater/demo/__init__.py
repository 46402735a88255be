"""The simulated app: students of a piano-learning app who sign up, sign in and practise, sent by boto3 as a real app would."""

from headwater.demo.app import Sent, SimulatedApp, boto3_client
from headwater.demo.screen import QUESTIONS, Screen

__all__ = ["QUESTIONS", "Screen", "Sent", "SimulatedApp", "boto3_client"]
